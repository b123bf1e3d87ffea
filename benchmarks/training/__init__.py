"""What trainings cost beside the training: checkpoints, processes side by side."""
