"""Parts that several detectors share, from the check of the targets to the heads."""
