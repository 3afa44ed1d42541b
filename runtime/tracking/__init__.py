"""Following faces from frame to frame, so that they are searched for only now and then.

`tracking.tracker` says who is who; `tracking.motion` where a face will be, `tracking.assignment`
which face found belongs to which one followed, `tracking.lost` when landmarks are on no face,
`tracking.scene` when a cut begins another scene, in which nobody goes on.
"""
