"""Torchvision's models without their classifiers, and the weights that torchvision publishes for them."""

from __future__ import annotations

from torch import Tensor, nn

from reid_al_env.errors import InputError


def without_classifier(name: str, head: str) -> tuple[nn.Module, int]:
    """Build a torchvision model with random weights and cut its classifier off.

    Args:
        name: Name of the model.
        head: Dotted name of its classifier.

    Returns:
        The model and the length of its features: what the classifier takes.
    """
    from torchvision import models

    model: nn.Module = models.get_model(name, weights=None)
    parent, _, last = head.rpartition(".")
    holder = model.get_submodule(parent)
    dimensions = _inputs(model.get_submodule(head))
    setattr(holder, last, nn.Identity())
    return model, dimensions


def published_weights(name: str) -> dict[str, Tensor]:
    """Download torchvision's best weights of a model, or take them from its cache.

    Raises:
        InputError: Torchvision publishes none, or they cannot be fetched.
    """
    from torchvision import models

    try:
        weights: dict[str, Tensor] = models.get_model_weights(name).DEFAULT.get_state_dict(
            progress=False, check_hash=True
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"--weights pretrained: torchvision's weights of {name} cannot be fetched ({error}); "
            "download them elsewhere and give the file"
        ) from error
    return weights


def _inputs(classifier: nn.Module) -> int:
    """What the first linear layer of a classifier takes."""
    layer = next(part for part in classifier.modules() if isinstance(part, nn.Linear))
    return layer.in_features
