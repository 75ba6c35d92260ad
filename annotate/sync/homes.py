"""Where an answer belongs when its crop is not in the workspace any more: mining again with other options drops crops."""

import re
from collections import defaultdict

from pipeline.core.geometry import as_array, grow, iou_matrix
from pipeline.core.places import Box, Place
from pipeline.core.records import Crop, Label, Task
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions

SAME_CROP_IOU = 0.4
"""from here on two crops of one frame show one face"""
CROP = re.compile(r"([A-Za-z0-9_-]+)\.c(-?\d{1,18})" + r"\.(-?\d{1,9})" * 4)


class Homes:
    """Finds the crop or place that an answer is kept with, and the task that it answered."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.crops = {crop.id: crop for crop in workspace.catalogue.all(Crop)}
        self._at: dict[tuple[str, int], list[Crop]] = defaultdict(list)
        for crop in self.crops.values():
            self._at[crop.episode, crop.pts].append(crop)
        self._items: dict[str, dict[str, str]] = {}

    def home_of(self, item: str) -> str:
        """The item itself where it is a crop that is there, or no crop; else the crop that shows the same face now; else
        the place of the face that it showed, which `cascade fit` learns from."""
        found = CROP.fullmatch(item)
        if item in self.crops or found is None:
            return item
        left, top, right, bottom = (int(found[n]) for n in range(3, 7))
        if right <= left or bottom <= top:
            return item
        box = Box(left=left, top=top, right=right, bottom=bottom)
        here = self._at[found[1], int(found[2])]
        if here:
            alike = iou_matrix(as_array([box]), as_array([crop.box for crop in here]))[0]
            if alike.max() >= SAME_CROP_IOU:
                return here[int(alike.argmax())].id
        margin = CropOptions().margin_fraction
        return Place(episode=found[1], pts=int(found[2]), box=grow(box, -margin / (1 + 2 * margin))).id

    def ref_of(self, label: Label, project: str) -> str:
        """Our key of the task that a label came from, as far as it can be told: the crop's, the sheet's or the frame's."""
        if project not in self._items:
            tasks = self.workspace.catalogue.all(Task, project=project)
            self._items[project] = {task.item: task.id.partition("/")[2] for task in tasks}
        items = self._items[project]
        place = Place.read(label.crop)
        frame = f"{place.episode}.f{place.pts}" if place else ""
        return items.get(label.via) or items.get(label.crop) or items.get(frame) or label.crop
