"""The head before anybody is drawn: the rig's geometry, and how it is read from ICT-FaceKit."""
