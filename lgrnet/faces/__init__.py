"""AU-labelled synthetic faces: a morphable rig, procedural skin, a CPU renderer, data sets of them.

Rendered faces stand in for BP4D and DISFA, which are licence-gated. Read the modules in this order:
``rig`` (geometry), ``action_units`` (AU → blend shapes), ``cooccurrence`` (which AUs appear
together), ``identity`` with ``skin`` and ``wrinkles`` (one person), ``expression``, ``camera``,
``light``, ``raster`` and ``shade`` (triangles to pixels), ``photo`` (what a camera adds),
``render`` (all of it), ``generate`` (data sets on disc), ``clip`` (videos with ground truth),
``gallery`` (pictures for people). ``convert`` with ``obj`` and ``occlusion`` makes the rig's file.

Units are centimetres, x to the image's right, y up, z towards the camera. Colours are RGB:
reflectance and light are linear, pictures are sRGB.
"""
