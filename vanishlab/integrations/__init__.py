"""Thin adapters to other people's training loops and dashboards, one file each, imported only on demand.

    from vanishlab.integrations.lightning import GradientCallback
    from vanishlab.integrations.huggingface import GradientCallback
    from vanishlab.integrations.tensorboard import TensorBoardWriter
    from vanishlab.integrations.wandb import WandbWriter
    from vanishlab.integrations.mlflow import MlflowWriter
    from vanishlab.integrations.trackio import TrackioWriter

Each needs its extra: `pip install 'vanishlab[lightning]'`, `[huggingface]`, `[tensorboard]`, `[wandb]`,
`[mlflow]`, `[trackio]`.
"""
