"""What helps: advice for each verdict, surgery on a copy of the model, and a trial that measures the remedies."""
