"""The paper's tables: ``python -m lgrnet.tables runs/bp4d runs/disfa``.

`tables.fold_means` reads what runs on folds scored (`lgrnet.evaluation.fold_scores`),
`tables.paper` lays that out as Tables I to V beside the figures of `tables.published`,
`tables.text` writes them.
"""
