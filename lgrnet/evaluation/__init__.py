"""What a model is worth: `models` opens it, `scoring` judges it, `metrics` says how.

`report` writes down what there is to say and `page` plots it; `fold_scores` keeps what a run on a
fold is worth; `threshold_choice` chooses thresholds.
"""
