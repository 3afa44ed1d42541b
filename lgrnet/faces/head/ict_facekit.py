"""What ICT-FaceKit Light is: where it comes from, its licence, and what its vertices are."""

from typing import NamedTuple

from lgrnet.faces.head.rig import Part

SOURCE = "https://github.com/ICT-VGL/ICT-FaceKit"
COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
"""The commit of ICT-FaceKit that this converter is written for."""

LICENCE = """\
Derived from ICT-FaceKit Light, https://github.com/ICT-VGL/ICT-FaceKit. Cite: R. Li, K. Bladin,
Y. Zhao, C. Chinara, O. Ingraham, P. Xiang, X. Ren, P. Prasad, B. Kishore, J. Xing, H. Li:
Learning Formation of Physically-Based Face Attributes. CVPR 2020.

MIT License

Copyright (c) 2020 USC Institute for Creative Technologies

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

_SIDED = (
    *("browInnerUp", "browOuterUp", "browDown", "cheekSquint", "cheekRaiser", "eyeSquint"),
    *("eyeWide", "eyeBlink", "noseSneer", "mouthUpperUp", "mouthSmile", "mouthDimple"),
    *("mouthFrown", "mouthStretch", "mouthPress", "mouthLowerDown", "cheekPuff"),
    *("eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut"),
)
EXPRESSIONS: tuple[str, ...] = (
    *(f"{name}_{side}" for name in _SIDED for side in "LR"),
    *("mouthShrugUpper", "mouthShrugLower", "mouthPucker", "mouthFunnel", "mouthRollLower"),
    *("mouthRollUpper", "jawOpen", "jawLeft", "jawRight", "mouthLeft", "mouthRight"),
    *("mouthClose", "jawForward"),
)
"""The expression shapes of the rig, in its order; each is a file of ICT-FaceKit."""


class Block(NamedTuple):
    """A run of the mesh's vertices that make one thing.

    Attributes:
        name: What it is.
        first: First vertex.
        last: Last vertex.
        part: Part of the rig, or None if it is left out.
    """

    name: str
    first: int
    last: int
    part: Part | None


BLOCKS: tuple[Block, ...] = (
    Block("face", 0, 9408, Part.FACE),
    Block("head and neck", 9409, 11247, Part.HEAD),
    Block("mouth socket", 11248, 13293, Part.MOUTH_SOCKET),
    Block("eye sockets", 13294, 14061, Part.EYE_SOCKET),
    Block("gums and tongue", 14062, 17038, Part.GUMS),
    # Molars hardly ever show, and they are a third of the teeth.
    Block("upper left molars", 17039, 17606, None),
    Block("upper front teeth", 17607, 18678, Part.TEETH),
    Block("upper right and lower left molars", 18679, 19813, None),
    Block("lower front teeth", 19814, 20883, Part.TEETH),
    Block("lower right molars", 20884, 21450, None),
    # The iris is a disc inside the eyeball; the renderer paints it on the sclera instead.
    Block("left sclera", 21451, 22220, Part.LEFT_EYE),
    Block("left iris", 22221, 23020, None),
    Block("right sclera", 23021, 23790, Part.RIGHT_EYE),
    Block("right iris", 23791, 24590, None),
    Block("tear films, eye blends, lashes", 24591, 26718, None),
)
"""Vertices of ICT-FaceKit's mesh, from the tables of its README; the first block is the face."""
