"""A face of average shape at rest, in millimetres, for fitting head poses.

The points are the 49 landmarks of the neutral mean head of ICT-FaceKit Light (Li et al., CVPR 2020;
MIT, © 2020 USC Institute for Creative Technologies), as `lgrnet.faces` reads it, averaged with
their mirror image. The origin is the point in the middle of the head that the renderer turns heads
about (`lgrnet.faces.drawing.camera.PIVOT`), some 7 cm behind the eyes.
"""

import numpy as np

# fmt: off
FACE_MM = np.array([
    [-58.2, -47.0, -59.1], [-49.3, -54.8, -69.9], [-37.9, -57.6, -78.3], [-24.1, -56.9, -84.8],
    [-11.7, -54.1, -87.3], [11.7, -54.1, -87.3], [24.1, -56.9, -84.8], [37.9, -57.6, -78.3],
    [49.3, -54.8, -69.9], [58.2, -47.0, -59.1], [0.0, -32.4, -87.3], [0.0, -21.3, -95.2],
    [0.0, -11.1, -103.1], [0.0, 0.9, -110.7], [-12.5, 16.4, -88.7], [-6.0, 16.4, -94.2],
    [0.0, 17.0, -95.7], [6.0, 16.4, -94.2], [12.5, 16.4, -88.7], [-44.6, -29.3, -66.0],
    [-38.7, -33.7, -73.6], [-27.8, -34.4, -75.3], [-18.4, -27.5, -72.0], [-27.3, -25.8, -74.1],
    [-38.6, -25.7, -72.3], [18.4, -27.5, -72.0], [27.8, -34.4, -75.3], [38.7, -33.7, -73.6],
    [44.6, -29.3, -66.0], [38.6, -25.7, -72.3], [27.3, -25.8, -74.1], [-25.3, 40.2, -81.9],
    [-17.0, 32.8, -92.2], [-7.3, 29.2, -97.3], [0.0, 29.8, -98.4], [7.3, 29.2, -97.3],
    [17.0, 32.8, -92.2], [25.3, 40.2, -81.9], [18.0, 45.6, -89.0], [10.3, 48.0, -93.9],
    [0.0, 48.8, -95.5], [-10.3, 48.0, -93.9], [-18.0, 45.6, -89.0], [-10.0, 38.0, -90.9],
    [0.0, 38.2, -92.8], [10.0, 38.0, -90.9], [10.7, 38.8, -90.4], [0.0, 39.0, -92.5],
    [-10.7, 38.8, -90.4],
])
"""(49, 3) float64: to the viewer's right, down, away from the viewer; scheme of
`runtime.landmarks`."""
# fmt: on
