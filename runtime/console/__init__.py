"""What all command lines share: how options are read and shown, and how commands end."""
