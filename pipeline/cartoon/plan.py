"""A shot as it is planned: who and what is in it, and under which light and camera."""

from dataclasses import dataclass

from pipeline.cartoon.acting import Camera, Performance, Pose, Thing, Timing
from pipeline.cartoon.light import Light
from pipeline.cartoon.truth import TransitionKind

Layer = Performance | Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlan:
    """Everything needed to draw a shot; drawing it adds no chance."""

    id: str
    """`s01e01/3`"""
    kind: str
    """name of the scene it came from"""
    frames: int
    """how long it is"""
    place: str
    """kind of backdrop"""
    place_seed: str
    """which backdrop of its kind"""
    light: Light
    """tint, shade, grain"""
    camera: Camera
    """where it looks"""
    timing: Timing
    """on how many frames a drawing stays"""
    hand: int
    """whose line weight"""
    layers: tuple[Layer, ...]
    """back to front"""
    transition: TransitionKind = "cut"
    """how it begins"""
    opening: bool = False
    """part of the opening"""
    reuses: str = ""
    """id of the earlier shot whose drawings it shows again, elsewhere"""
    repeats: str = ""
    """id of the earlier shot that it shows again as it was"""

    def state(self, frame: int) -> "ShotState":
        """What there is to draw at a frame of the shot; equal states are equal pictures."""
        drawn = self.timing.drawn(frame)
        layers = tuple(
            layer.pose(drawn) if isinstance(layer, Performance) else layer.place(drawn) for layer in self.layers
        )
        return ShotState(view=self.camera.view(frame), layers=layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotState:
    """A moment of a shot, quantised to its drawings."""

    view: tuple[float, float, float]
    """x, y, zoom of the camera"""
    layers: tuple[Pose | tuple[float, float, float], ...]
    """for each layer an actor's pose, or a thing's x, y and degrees"""
