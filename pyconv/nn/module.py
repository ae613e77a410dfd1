"""Module: the base of all layers and networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from pyconv.nn import location, state
from pyconv.nn.hooks import Hooks, RemovableHandle, call_with_hooks
from pyconv.nn.parameter import Parameter
from pyconv.tensor import Tensor

Self = TypeVar("Self", bound="Module")
_REGISTRIES = ("_parameters", "_buffers", "_modules")


class Module:
    """Base of layers and networks: assigned Parameters, buffers and Modules are registered by their
    attribute's name.

    Semantics and names are those of ``torch.nn.Module``. An exception that leaves a submodule says where it
    was raised: ``features.3 (Conv2d): [conv2d] weight has ...``, same type, the original chained to it.

    >>> from pyconv import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body = nn.Sequential(nn.Flatten(), nn.Identity())
    ...     def forward(self, x):
    ...         return self.body(x)
    >>> [name for name, _ in Net().named_modules()]
    ['', 'body', 'body.0', 'body.1']
    """

    training: bool
    _frozen = False  # stays in evaluation mode
    #: State names that an old or foreign file may lack without being incomplete.
    _optional_state: tuple[str, ...] = ()
    #: State names that such a file may have although the module has no use for them.
    _superfluous_state: tuple[str, ...] = ()

    def __init__(self) -> None:
        set_plain = super().__setattr__
        set_plain("training", True)
        for registry in _REGISTRIES:
            set_plain(registry, {})
        set_plain("_non_persistent", set())
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            set_plain(hooks, Hooks())
        set_plain("_with_kwargs", set())  # numbers of the handles of hooks that want them
        set_plain("_always_called", set())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; subclasses define it. Call the module itself, so that hooks run."""
        raise NotImplementedError(f"[{type(self).__name__}] forward is not defined")

    # --- calling --------------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward and the hooks around it."""
        stack = location.calls.stack
        stack.append(self)
        try:
            if (self._forward_pre_hooks or self._forward_hooks or self._backward_hooks
                    or self._backward_pre_hooks):
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            located = location.left(self, error)
            if located is None:
                raise
            raise located from error
        finally:
            stack.pop()

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns, if not None, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
        """
        return self._add_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns, if not None, replaces the
        output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it runs even if
        forward or another hook raises; the output is None if forward did.
        """
        handle = self._add_hook(self._forward_hooks, hook, prepend, with_kwargs)
        if always_call:
            self._always_called.add(handle.id)
        return handle

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs are
        complete.

        Both are tuples with one entry per positional argument and per entry of the output (a Tensor, a tuple
        or a list), None for what is no Tensor or needs no gradient. A tuple that the hook returns replaces
        ``grad_input``; it must have as many entries.
        """
        return self._add_hook(self._backward_hooks, hook, prepend, False)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the output are complete; a tuple that it
        returns replaces them."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend, False)

    def _add_hook(
        self, hooks: Hooks, hook: Callable[..., Any], prepend: bool, with_kwargs: bool
    ) -> RemovableHandle:
        handle = hooks.add(hook, prepend)
        if with_kwargs:
            self._with_kwargs.add(handle.id)
        return handle

    # --- attributes -----------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        own = vars(self)
        home = (
            "_parameters"
            if isinstance(value, Parameter)
            else "_modules"
            if isinstance(value, Module)
            else None
        )
        if home is None:
            for registry, kind in (("_parameters", Parameter), ("_modules", Module), ("_buffers", Tensor)):
                if name in own.get(registry, ()):
                    if value is not None and not (registry == "_buffers" and isinstance(value, Tensor)):
                        raise TypeError(
                            f"[{type(self).__name__}] {name} is assigned {type(value).__name__}, "
                            f"expected a {kind.__name__} or None"
                        )
                    own[registry][name] = value
                    return
            super().__setattr__(name, value)
            return
        if home not in own:
            raise AttributeError(
                f"[{type(self).__name__}] cannot assign {name} before Module.__init__() was called"
            )
        own.pop(name, None)
        for registry in _REGISTRIES:
            if registry != home:
                own[registry].pop(name, None)
        self._non_persistent.discard(name)
        own[home][name] = value

    def __getattr__(self, name: str) -> Any:
        # Only called when normal lookup fails.
        own = self.__dict__
        for registry in _REGISTRIES:
            found = own.get(registry)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _held(self, registry: dict[str, Any], name: str) -> Any:
        """The attribute, found in one of the three registries: half a microsecond less than through __getattr__."""
        return registry[name] if name in registry else getattr(self, name)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in vars(self).get(registry, ()):
                del vars(self)[registry][name]
                self._non_persistent.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[:1].isdigit())

    def _check_new_name(self, op: str, name: Any, registry: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"[{op}] name is {type(name).__name__}, expected a str")
        if name == "" or "." in name:
            raise KeyError(f"[{op}] name is {name!r}, expected a non-empty name without a dot")
        if hasattr(self, name) and name not in vars(self)[registry]:
            raise KeyError(f"[{op}] attribute {name} exists already")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that is state but not trained; non-persistent ones stay out of ``state_dict``.

        Raises KeyError for a name that is empty, has a dot or is taken, TypeError for another type than
        Tensor or None.
        """
        self._check_new_name("register_buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"[register_buffer] {name} is {type(tensor).__name__}, expected a Tensor or None")
        self._buffers[name] = tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a Parameter under ``name``; errors as for `register_buffer`."""
        self._check_new_name("register_parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"[register_parameter] {name} is {type(param).__name__}, expected a Parameter or None"
            )
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under ``name``; errors as for `register_buffer`."""
        self._check_new_name("add_module", name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"[add_module] {name} is {type(module).__name__}, expected a Module or None")
        self._modules[name] = module

    register_module = add_module

    # --- walking --------------------------------------------------------------------------------
    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted paths, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names, each once."""
        seen: set[Module] = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        return (child for _, child in self.named_children())

    def _named_members(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in vars(module)[registry].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names, each once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters of this module and, with ``recurse``, of all below it."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names, each once."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers of this module and, with ``recurse``, of all below it."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path ("" is this one). Raises AttributeError where there is none."""
        module = self
        for part in target.split(".") if target else ():
            found = module._modules.get(part)
            if found is None:
                raise AttributeError(
                    f"[get_submodule] {target!r}: {type(module).__name__} has no submodule {part!r}"
                )
            module = found
        return module

    def _get_member(self, op: str, registry: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if vars(module)[registry].get(name) is None:
            raise AttributeError(f"[{op}] {target!r}: {type(module).__name__} has no such name")
        return vars(module)[registry][name]

    def get_parameter(self, target: str) -> Parameter:
        """The Parameter with a dotted name. Raises AttributeError where there is none."""
        return self._get_member("get_parameter", "_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name. Raises AttributeError where there is none."""
        return self._get_member("get_buffer", "_buffers", target)

    # --- doing something to all -----------------------------------------------------------------
    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every submodule, children first, and on this module; returns it."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and below; dropout and batch norm ask for it. What `models.freeze` froze stays in
        evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError(f"[train] mode is {mode!r}, expected a bool")
        self.training = mode and not self._frozen
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: Self) -> Self:
        """The same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters require a gradient, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = bool(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers, in place: ``to(dtype)``, ``to(device)``,
        ``to(tensor)``.

        Devices are "cpu" and "meta" (a shape without memory). Raises NotImplementedError for meta to cpu
        (there is no data; see `to_empty`), TypeError for a dtype that is not floating-point.
        """
        meta, dtype = state.parse_to(args, kwargs)
        for tensor in _each_tensor(self):
            state.convert(tensor, meta, dtype)
        return self

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Give meta parameters and buffers memory, with values that nobody set."""
        meta = state.is_meta(device, "to_empty")
        for tensor in _each_tensor(self, recurse):
            shape, dtype = tensor.shape, tensor.dtype
            state.replace(tensor, None if meta else np.empty(shape, dtype), (shape, dtype))
        return self

    def float(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self.to(np.dtype("float32"))

    def double(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self.to(np.dtype("float64"))

    # --- state ----------------------------------------------------------------------------------
    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name: detached Tensors that share the module's
        memory."""
        result: dict[str, Tensor] = {} if destination is None else destination
        state.collect(self, result, prefix, keep_vars)
        return result

    def load_state_dict(
        self, state_dict: Any, strict: bool = True, assign: bool = False
    ) -> state.IncompatibleKeys:
        """Copy values into parameters and buffers by name; returns the keys that were missing and unexpected.

        Values are Tensors, numpy arrays or anything numpy understands, such as torch's tensors. Everything
        is checked before anything is copied. With ``assign`` the values become the parameters' memory (the
        way to fill meta parameters). Raises StateDictError, which lists all missing and unexpected names (if
        ``strict``), wrong shapes and dtypes; TypeError when ``state_dict`` is not a mapping.
        """
        return state.load(self, state_dict, strict, assign)

    # --- text -----------------------------------------------------------------------------------
    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's text; subclasses define it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        if not children and len(extra) <= 1:
            return f"{self._get_name()}({''.join(extra)})"
        return "\n  ".join([f"{self._get_name()}(", *extra, *children]) + "\n)"


def _each_tensor(module: Module, recurse: bool = True) -> list[Tensor]:
    return [*module.parameters(recurse), *module.buffers(recurse)]
