"""One HTML file of records and sweeps that opens anywhere, offline: `write_report(paths, "report.html")`.

    from vanishlab.report import write_report

    write_report("results/learning_rates", "report.html")                 # a folder of records, or of a sweep
    write_report(["a.npz", "b.npz"], "report.html")
    write_report({"mine": recorder.record}, "report.html")

Static pictures are those of `vanishlab.plots`; the player is a Vega-Lite chart. Vega was chosen over Plotly for its
size: 0.9 MB inlined, against 4.8 MB. Needs the extra `vanishlab[report]`.
"""

from vanishlab.report.write import check_extra, write_report

__all__ = ["check_extra", "write_report"]
