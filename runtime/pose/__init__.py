"""How a head is turned and where it is: a rigid face of average shape, fitted to landmarks."""

from runtime.pose.fitting import FOCAL_LENGTH, HeadPose, head_pose

__all__ = ["FOCAL_LENGTH", "HeadPose", "head_pose"]
