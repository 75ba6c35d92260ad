"""Opening, ending, recap: by where a repeated shot stands."""

from pipeline.repeats import Placed, marks_of


def placed(shot: str, episode: int, start: float) -> Placed:
    return Placed(shot=shot, episode=f"e{episode}", rank=episode, start=start, length=1200.0)


def kinds(*shots: Placed) -> list[str]:
    return [mark.kind for mark in marks_of(dict.fromkeys([s.shot for s in shots], "g"), shots)]


def test_the_same_beginning_of_all_is_an_opening_even_after_a_cold_open() -> None:
    assert kinds(placed("a", 1, 0), placed("b", 2, 95), placed("c", 3, 40)) == ["opening"] * 3
    assert kinds(placed("a", 1, 0), placed("b", 2, 4)) == ["opening"] * 2


def test_the_same_end_of_all_is_an_ending() -> None:
    assert kinds(placed("a", 1, 1150), placed("b", 2, 1140), placed("c", 3, 1190)) == ["ending"] * 3


def test_what_an_episode_tells_again_at_its_head_is_a_recap_and_the_first_is_the_original() -> None:
    assert kinds(placed("a", 1, 700), placed("b", 2, 5)) == ["original", "recap"]
    assert kinds(placed("a", 2, 5), placed("b", 1, 1180)) == ["recap", "original"]
    assert kinds(placed("a", 1, 300), placed("b", 2, 5)) == ["original", "recap"]


def test_a_picture_used_again_in_the_middle_is_a_repeat() -> None:
    assert kinds(placed("a", 1, 700), placed("b", 2, 600), placed("c", 3, 800)) == ["original", "repeat", "repeat"]


def test_shots_of_one_episode_alone_are_not_marked() -> None:
    assert kinds(placed("a", 1, 0), placed("b", 1, 600)) == []
