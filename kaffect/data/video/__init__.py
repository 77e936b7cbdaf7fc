"""Videos and folders of face pictures as frames with time stamps (paper Section III-A)."""
