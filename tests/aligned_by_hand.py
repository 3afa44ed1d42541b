"""The published alignment, point by point: JÂA-Net's five anchors, 2.9 times their box, 200 px."""

import math


def mean(points):
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def align(points):
    """Return the 49 points of a face where they land in the 200 × 200 image, (x, y) each."""
    points = [(float(x), float(y)) for x, y in points]
    left, right = mean(points[19:25]), mean(points[25:31])
    angle = math.atan2(right[1] - left[1], right[0] - left[0])
    cos, sin = math.cos(angle), math.sin(angle)

    def turn(point):
        x, y = point
        return cos * x + sin * y, -sin * x + cos * y

    anchors = [turn(point) for point in (left, right, points[13], points[31], points[37])]
    xs, ys = [x for x, _ in anchors], [y for _, y in anchors]
    half = 0.5 * 2.9 * max(max(xs) - min(xs), max(ys) - min(ys))
    centre = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    scale = 199 / 2 / half
    aligned = []
    for x, y in map(turn, points):
        aligned.append((scale * (x - centre[0] + half), scale * (y - centre[1] + half)))
    return aligned


def anchor_box(points):
    """Return the lowest and highest x and y of the five anchors of aligned points."""
    points = [(float(x), float(y)) for x, y in points]
    anchors = [mean(points[19:25]), mean(points[25:31]), points[13], points[31], points[37]]
    xs, ys = [x for x, _ in anchors], [y for _, y in anchors]
    return min(xs), max(xs), min(ys), max(ys)
