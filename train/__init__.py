"""The training room: data sets, multi-task fine-tuning, pretraining, cross-validation."""
