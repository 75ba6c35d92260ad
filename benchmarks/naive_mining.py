"""What one writes without toonsift, with the libraries as they are: `python -m benchmarks.naive_mining OUT XML VIDEO...`.

AdaptiveDetector over the file, VideoCapture sampled at 4 frames a second, detectMultiScale, PNG crops, and all pairs of
crops whose imagehash.phash is within 4 bits. Every step decodes or reads what it needs by itself. Writes OUT/faces.json:
video -> [frame, left, top, right, bottom] of each face.
"""

import json
import sys
from itertools import combinations
from pathlib import Path

import cv2
import imagehash
from PIL import Image
from scenedetect import AdaptiveDetector, detect

FPS = 4
MIN_FACE = 48


def main() -> None:
    out, xml, videos = Path(sys.argv[1]), sys.argv[2], [Path(video) for video in sys.argv[3:]]
    out.mkdir(parents=True, exist_ok=True)
    cascade = cv2.CascadeClassifier(xml)
    faces = {str(video): _faces(video, cascade, out / str(n)) for n, video in enumerate(videos)}
    hashes = [imagehash.phash(Image.open(path)) for path in sorted(out.glob("*/*.png"))]
    pairs = sum(a - b <= 4 for a, b in combinations(hashes, 2))
    (out / "faces.json").write_text(json.dumps(faces))
    print(f"{len(hashes)} crops, {pairs} pairs alike")


def _faces(video: Path, cascade: cv2.CascadeClassifier, folder: Path) -> list[list[int]]:
    folder.mkdir()
    detect(str(video), AdaptiveDetector())
    capture = cv2.VideoCapture(str(video))
    every = max(round(capture.get(cv2.CAP_PROP_FPS) / FPS), 1)
    found: list[list[int]] = []
    frame = 0
    while capture.grab():
        if frame % every == 0:
            _, picture = capture.retrieve()
            grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            for x, y, width, height in cascade.detectMultiScale(grey, 1.1, 3, minSize=(MIN_FACE, MIN_FACE)):
                cv2.imwrite(str(folder / f"{len(found)}.png"), picture[y : y + height, x : x + width])
                found.append([frame, int(x), int(y), int(x + width), int(y + height)])
        frame += 1
    return found


if __name__ == "__main__":
    main()
