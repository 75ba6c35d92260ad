import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.cartoon.acting import Camera, Feeling, Performance, Thing, Timing
from pipeline.cartoon.light import Light
from pipeline.cartoon.plan import Layer, ShotPlan
from pipeline.cartoon.stage import Drawn, draw

DAYLIGHT = Light(gains=(1.0, 1.0, 1.0), gamma=1.0, shade=0.0, direction=0.0, grain=0.0, seed=0)
OTTO = Performance(
    actor="otto", size=0.4, path=((0, 0.0, 0.0),), feelings=(Feeling(start=0, emotion="happy", look=0, turn=0),)
)


def shown(*layers: Layer, frame: int = 0, camera: Camera | None = None, timing: Timing | None = None) -> Drawn:
    plan = ShotPlan(
        id="s01e01/7",
        kind="test",
        frames=48,
        place="rays",
        place_seed="1",
        light=DAYLIGHT,
        camera=camera or Camera(),
        timing=timing or Timing(step=1),
        hand=0,
        layers=layers,
    )
    return draw(plan, plan.state(frame), 640, 360)


def test_an_upright_face_has_a_box_of_its_size_where_it_was_put() -> None:
    (face,) = shown(OTTO).faces
    assert face.track == "s01e01/7.0"
    assert (face.character, face.emotion, face.angle) == ("otto", "happy", 0)
    assert face.box.width == pytest.approx(0.4 * 360, abs=1)
    assert face.box.center == pytest.approx((320, 180), abs=1)
    assert face.box.height / face.box.width == pytest.approx(174 / 148, abs=0.02)
    assert face.visible > 0.97


def test_a_box_holds_what_an_emotion_changes_however_the_head_is_turned() -> None:
    for angle, mirrored, shear in ((0, True, 0.0), (18, False, 0.1), (-18, True, -0.15)):
        turned = replace(OTTO, angle=angle, mirrored=mirrored, shear=shear)
        scared = replace(turned, feelings=(Feeling(start=0, emotion="afraid", look=1, turn=0),))
        one, other = shown(turned), shown(scared)
        assert one.faces[0].box == other.faces[0].box
        change = np.abs(one.picture.astype(int) - other.picture).sum(axis=2)
        box = one.faces[0].box
        assert change[box.top : box.bottom, box.left : box.right].sum() > 0.98 * change.sum()


def test_half_a_face_outside_the_frame_is_half_visible_and_keeps_its_box() -> None:
    (face,) = shown(replace(OTTO, path=((0, 640 / 360 / 2, 0.0),))).faces
    assert face.visible == pytest.approx(0.5, abs=0.03)
    assert face.box.right > 640


def test_a_face_outside_the_frame_or_quite_hidden_is_not_in_the_truth() -> None:
    assert shown(replace(OTTO, path=((0, 1.3, 0.0),))).faces == ()
    assert shown(OTTO, Thing(kind="bush", seed="1", size=3.0, path=((0, 0.0, 0.0),))).faces == ()


def test_what_stands_in_front_hides_and_what_stands_behind_does_not() -> None:
    pillar = Thing(kind="pillar", seed="1", size=1.0, path=((0, 0.0, 0.0),))
    (before,) = shown(pillar, OTTO).faces
    (behind,) = shown(OTTO, pillar).faces
    assert before.visible > 0.97
    # the pillar is 0.24 of the frame's height wide and stands before the middle of a face 0.4 wide
    share = 2 / math.pi * (math.asin(0.6) + 0.6 * math.sqrt(1 - 0.6**2))
    assert behind.visible == pytest.approx(1 - share, abs=0.02)


def test_faces_hide_one_another_in_their_order() -> None:
    mara = replace(OTTO, actor="mara", path=((0, 0.15, 0.0),))
    back, front = shown(OTTO, mara).faces
    assert (back.character, front.character) == ("otto", "mara")
    assert back.visible < 0.7 < 0.9 < front.visible


def test_heads_without_faces_are_not_in_the_truth() -> None:
    drawn = shown(replace(OTTO, view="blank"), replace(OTTO, view="behind", path=((0, 0.5, 0.0),)))
    assert drawn.faces == ()


def test_the_camera_moves_and_enlarges_boxes() -> None:
    (face,) = shown(OTTO, camera=Camera(keys=((0, 0.1, 0.0, 1.5),))).faces
    assert face.box.width == pytest.approx(0.4 * 360 * 1.5, abs=1)
    assert face.box.center == pytest.approx((320 - 0.1 * 360 * 1.5, 180), abs=1)


def test_a_drawing_is_named_by_actor_look_hand_pose_and_size_only() -> None:
    (here,) = shown(OTTO).faces
    (there,) = shown(replace(OTTO, path=((0, 0.4, 0.05),))).faces
    (turned,) = shown(replace(OTTO, angle=4)).faces
    (small,) = shown(replace(OTTO, size=0.2)).faces
    assert here.drawing == there.drawing
    assert here.drawing != turned.drawing
    assert here.pose != turned.pose
    assert here.drawing != small.drawing
    assert here.pose == small.pose


def test_animation_on_threes_changes_every_third_frame_and_rests_in_a_still() -> None:
    walking = replace(OTTO, path=((0, -0.4, 0.0), (24, 0.4, 0.0)))
    timing = Timing(step=3, stills=((9, 15),))
    lefts = [shown(walking, frame=frame, timing=timing).faces[0].box.left for frame in range(18)]
    assert [lefts.index(left) for left in lefts] == [0, 0, 0, 3, 3, 3, 6, 6, 6, *[9] * 6, 15, 15, 15]
