"""What operators and their monitoring ask a process that serves: whether it lives, whether it takes in, its figures."""
