"""The training loop: what it computes, calls, restores and repeats."""

import io
import json

import numpy as np
import pytest

import pyconv
from pyconv import nn, optim, runtime
from pyconv.data import DataLoader, Digits, TensorDataset, transforms
from pyconv.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from pyconv.train import Callback, Checkpoint, CheckpointError, History, ProgressBar, Trainer, resume, save_checkpoint


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(36, 10))


def digits(n=192):
    data = Digits(size=8, transform=transforms.RandomAffine(10))
    data.data, data.targets = data.data[:n], data.targets[:n]
    return data


def build(seed=0, kind="sgd", callbacks=(), epochs=3):
    pyconv.manual_seed(seed)
    model = network()
    loader = DataLoader(digits(), batch_size=32, shuffle=True, generator=seed)
    if kind == "sgd":
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    else:
        optimizer = optim.Adam(model.parameters(), lr=0.003)
    scheduler = OneCycleLR(optimizer, 0.05, total_steps=epochs * len(loader))
    return Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks, scheduler, "batch"), loader


def state(trainer):
    return {name: value.numpy().copy() for name, value in trainer.model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(keep_threads):
    states = []
    for n in (1, 2, 3):
        runtime.set_num_threads(n)
        trainer, loader = build(epochs=2)
        trainer.fit(loader, epochs=2)
        states.append((state(trainer), trainer.history.column("loss")))
    assert_same(states[0][0], states[1][0])
    assert_same(states[0][0], states[2][0])
    assert states[0][1] == states[1][1] == states[2][1]


def test_another_seed_gives_other_bits():
    weights = []
    for seed in (0, 1):
        trainer, loader = build(seed, epochs=1)
        trainer.fit(loader, epochs=1)
        weights.append(state(trainer)["0.weight"])
    assert not np.array_equal(*weights)


def test_it_learns():
    trainer, loader = build(epochs=10)
    history = trainer.fit(loader, loader, epochs=10)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert history[-1]["val_accuracy"] > 0.8  # 10 classes: chance is 0.1
    assert [row["epoch"] for row in history] == list(range(1, 11))
    assert set(history[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds",
                               "images_per_second"}


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path, kind):
    whole, loader = build(kind=kind)
    whole.fit(loader, loader, epochs=3)

    first, loader = build(kind=kind, callbacks=[Checkpoint(tmp_path / "c")])
    first.fit(loader, loader, epochs=1)
    second, loader = build(seed=5, kind=kind)  # other weights, other draws: all of it must come from the checkpoint
    loader.generator = 0
    resume(tmp_path / "c", second)
    assert second.epoch == 1
    second.fit(loader, loader, epochs=3)

    assert_same(state(whole), state(second))
    for a, b in zip(whole.history, second.history, strict=True):
        timing = {"seconds", "images_per_second"}
        assert {k: v for k, v in a.items() if k not in timing} == {k: v for k, v in b.items() if k not in timing}


def test_a_checkpoint_that_fails_half_way_leaves_the_last_one_whole(tmp_path, monkeypatch):
    trainer, loader = build()
    trainer.fit(loader, epochs=1)
    save_checkpoint(tmp_path, trainer)
    saved = state(trainer)
    trainer.fit(loader, epochs=2)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path, trainer)
    other, _ = build(seed=9)
    assert_same(state(resume(tmp_path, other)), saved)
    assert other.epoch == 1
    assert not list(tmp_path.glob("*.tmp"))
    assert not list(tmp_path.glob(".pyconv*"))


def test_old_tensors_are_deleted(tmp_path):
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, epochs=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-2.safetensors", "state.json"]


def test_resume_without_a_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError):
        resume(tmp_path, build()[0])


@pytest.mark.parametrize(("damage", "match"), [
    (lambda text: text[:-20], r"\[resume\]"),
    (lambda text: "[]", r"is not a checkpoint of this version"),
    (lambda text: text.replace("pyconv-checkpoint-1", "other"), r"is not a checkpoint of this version"),
    (lambda text: text.replace("epoch-1.s", "../epoch-1.s"), r"names a file outside its folder"),
    (lambda text: json.dumps({**json.loads(text), "scheduler": None}), r"do not both have a scheduler"),
    (lambda text: text.replace('"optimizer"', '"other"'), r"\[resume\].*optimizer"),
])
def test_a_damaged_checkpoint(tmp_path, damage, match):
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, epochs=1)
    file = tmp_path / "state.json"
    file.write_text(damage(file.read_text()))
    with pytest.raises(CheckpointError, match=match):
        resume(tmp_path, trainer)


def test_a_checkpoint_of_another_model(tmp_path):
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, epochs=1)
    other = Trainer(nn.Linear(2, 2), None, nn.MSELoss())
    with pytest.raises(CheckpointError, match=r"\[resume\].*0: weight, bias"):
        resume(tmp_path, other)


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def on_train_begin(self, trainer):
        self.calls.append("begin")

    def on_epoch_begin(self, trainer, epoch):
        self.calls.append(f"epoch {epoch}")

    def on_batch_end(self, trainer, batch, logs):
        self.calls.append(f"batch {batch} {logs['images']}")

    def on_epoch_end(self, trainer, epoch, row):
        self.calls.append(f"end {row['epoch']}")

    def on_train_end(self, trainer):
        self.calls.append("train end")


def regression(n=6):
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2) / n
    return DataLoader(TensorDataset(x, x[:, :1] * 2), batch_size=4)


def linear(callbacks=(), scheduler=None, lr=0.01):
    pyconv.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    return Trainer(model, optimizer, nn.MSELoss(), callbacks, scheduler and scheduler(optimizer))


def test_callbacks_are_called_in_order():
    recorder = Recorder()
    linear([recorder]).fit(regression(), epochs=2)
    epoch = ["batch 1 4", "batch 2 6"]
    assert recorder.calls == ["begin", "epoch 1", *epoch, "end 1", "epoch 2", *epoch, "end 2", "train end"]


def test_ctrl_c_reaches_the_caller_after_on_train_end(tmp_path):
    class Stop(Callback):
        def on_batch_end(self, trainer, batch, logs):
            if trainer.epoch == 1:
                raise KeyboardInterrupt

    recorder = Recorder()
    trainer = linear([Checkpoint(tmp_path), recorder, Stop()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(regression(), epochs=5)
    assert recorder.calls[-1] == "train end"
    assert json.loads((tmp_path / "state.json").read_text())["epoch"] == 1


def test_a_callback_can_stop_the_training():
    class Enough(Callback):
        def on_epoch_end(self, trainer, epoch, row):
            trainer.stop = epoch == 2

    assert len(linear([Enough()]).fit(regression(), epochs=9)) == 2


def test_regression_has_no_accuracy():
    trainer = linear()
    trainer.fit(regression(), regression(), epochs=1)
    assert "accuracy" not in trainer.history[0]
    assert set(trainer.evaluate(regression())) == {"loss"}


def test_the_mean_loss_weighs_samples_not_batches():
    trainer = linear()
    data = regression(5)  # batches of 4 and 1
    x, y = data.dataset.tensors
    expected = np.mean((trainer.predict([x]) - y.numpy()) ** 2)
    assert trainer.evaluate(data)["loss"] == pytest.approx(expected, rel=1e-6)


def test_predict_concatenates_and_restores_the_mode():
    trainer = linear()
    trainer.model.train()
    out = trainer.predict(regression())
    assert out.shape == (6, 1)
    assert trainer.model.training
    np.testing.assert_array_equal(out, trainer.predict(x for x, _ in regression()))


def test_a_failing_batch_restores_the_mode_too():
    trainer = linear()
    with pytest.raises(ValueError, match=r"."):
        trainer.evaluate([(pyconv.zeros(3, 5), pyconv.zeros(3, 1))])
    assert trainer.model.training
    assert (pyconv.ones(1, 2).add_(1) + trainer.model.weight).requires_grad  # recording is on again


def test_schedulers_by_epoch():
    trainer = linear(scheduler=lambda optimizer: StepLR(optimizer, 1, gamma=0.5))
    trainer.fit(regression(), epochs=3)
    assert trainer.history.column("lr") == [0.01, 0.005, 0.0025]
    trainer = linear(scheduler=lambda optimizer: ReduceLROnPlateau(optimizer, patience=0, threshold=10.0), lr=0.01)
    trainer.fit(regression(), regression(), epochs=3)
    assert trainer.history[-1]["lr"] < 0.01


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: Trainer(None, None, None), TypeError, r"\[Trainer\] loss is NoneType"),
    (lambda: Trainer(None, None, max, step_scheduler="x"), ValueError, r"\[Trainer\] step_scheduler is 'x'"),
    (lambda: linear().fit(regression(), epochs=-1), ValueError, r"\[fit\] epochs is -1"),
    (lambda: linear().fit([], epochs=1), ValueError, r"\[fit\] data has no batches"),
    (lambda: linear().evaluate([]), ValueError, r"\[evaluate\] data has no batches"),
    (lambda: linear().predict([]), ValueError, r"\[predict\] data has no batches"),
    (lambda: linear(lr=1e30).fit(regression(), epochs=9), FloatingPointError, r"\[fit\] the loss is .* smaller"),
])
def test_messages(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_history_survives_csv():
    history = History([{"epoch": 1, "loss": 0.1 + 0.2, "val_accuracy": 1 / 3},
                       {"epoch": 2, "loss": 1e-300, "val_accuracy": 1.0}])
    assert History.from_csv(history.csv()) == history


@pytest.mark.parametrize("plain", [True, False])
def test_the_progress_bar_shows_what_matters(plain):
    text = io.StringIO()
    trainer, loader = build(epochs=2)
    trainer.callbacks.append(ProgressBar(len(loader), enabled=True, file=text, plain=plain))
    trainer.fit(loader, loader, epochs=2)
    for part in ("epoch 2/2", "loss ", "accuracy ", "test ", "images/s", "s left"):
        assert part in text.getvalue()
    assert plain == ("\r" not in text.getvalue())


def test_the_progress_bar_is_silent_without_a_terminal(capsys):
    trainer, loader = build(epochs=1)
    trainer.callbacks.append(ProgressBar(len(loader)))
    trainer.fit(loader, epochs=1)
    assert capsys.readouterr() == ("", "")
