"""AU-labelled synthetic faces: a morphable rig, procedural people, a CPU renderer, data sets.

Rendered faces stand in for BP4D and DISFA, which are licence-gated. Read in this order: ``head``
(the rig), ``drawing`` (triangles and strokes to pixels), ``person`` (somebody: shape, skin, hair),
``motion`` (AUs → geometry and labels), ``scene`` (light, background, hands), then ``render`` (all
of it), ``generate`` (data sets on disc), ``clip`` (videos with ground truth), ``gallery`` (pictures
for people) and ``convert`` (makes the rig's file). Each imports only what comes before it.

Units are centimetres, x to the image's right, y up, z towards the camera. Colours are RGB:
reflectance and light are linear, pictures are sRGB.
"""
