"""The device that networks run on, by name."""

from __future__ import annotations

import torch

from reid_al_env.errors import InputError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name that PyTorch knows, such as ``cpu``, ``cuda:1``, ``mps`` or ``xpu``.

    Args:
        name: The name; ``auto`` is an accelerator where there is one, and otherwise the CPU.

    Raises:
        InputError: There is no such device here.
    """
    if name == "auto":
        return torch.device(device_names()[1] if len(device_names()) > 1 else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"--device: {name!r} is not there; choose one of {_known()}") from error
    if device.type == "meta":
        raise InputError(f"--device: 'meta' computes nothing; choose one of {_known()}")
    return device


def device_names() -> list[str]:
    """Names of the devices that are there: ``cpu`` first, then accelerators by number."""
    if not torch.accelerator.is_available():
        return ["cpu"]
    kind = torch.accelerator.current_accelerator()
    assert kind is not None
    return ["cpu", *(f"{kind.type}:{number}" for number in range(torch.accelerator.device_count()))]


def _known() -> str:
    return ", ".join([*device_names(), "auto"])
