"""Where a walking body's joints are."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

Joint = tuple[float, float, float]  # x to the left, y forward, z up, in body heights

HIP = 0.50
SHOULDER = 0.81
_THIGH, _SHIN = 0.245, 0.225
_UPPER_ARM, _FOREARM = 0.165, 0.150


@dataclass(frozen=True)
class Gait:
    """A moment of walking.

    Attributes:
        phase: Radians of the cycle of two steps.
        stride: Largest angle of the thigh from the vertical, radians.
    """

    phase: float
    stride: float


def leg_joints(gait: Gait, side: int, girth: float) -> tuple[Joint, Joint, Joint]:
    """Find hip, knee and ankle.

    Args:
        gait: The moment.
        side: +1 for the left leg, -1 for the right one.
        girth: Breadth relative to the mean.

    Returns:
        The three joints.
    """
    phase = gait.phase if side > 0 else gait.phase + pi
    swing = gait.stride * sin(phase)
    bend = 1.3 * gait.stride * max(0.0, cos(phase))  # the knee bends while the leg comes forward
    x = 0.045 * girth * side
    knee = (x, _THIGH * sin(swing), HIP - _THIGH * cos(swing))
    ankle = (x, knee[1] + _SHIN * sin(swing - bend), knee[2] - _SHIN * cos(swing - bend))
    return (x, 0.0, HIP), knee, ankle


def arm_joints(gait: Gait, side: int, girth: float) -> tuple[Joint, Joint, Joint]:
    """Find shoulder, elbow and hand; arms swing against the legs.

    Args:
        gait: The moment.
        side: +1 for the left arm, -1 for the right one.
        girth: Breadth relative to the mean.

    Returns:
        The three joints.
    """
    swing = -0.9 * gait.stride * sin(gait.phase if side > 0 else gait.phase + pi)
    x = 0.118 * girth * side
    elbow = (x * 1.12, _UPPER_ARM * sin(swing), SHOULDER - _UPPER_ARM * cos(swing))
    reach = swing + 0.25  # elbows bend forward only
    return (
        (x, 0.0, SHOULDER),
        elbow,
        (x * 1.1, elbow[1] + _FOREARM * sin(reach), elbow[2] - _FOREARM * cos(reach)),
    )
