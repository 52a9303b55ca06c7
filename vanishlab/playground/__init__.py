"""The playground: a page in the browser that trains, predicts and draws whenever a slider moves.

`settings` is what the controls say, `measuring` trains and predicts it, `pictures` draws, `page` makes HTML of it and
`frame` of what stands around it. `opening` shows words and the first picture while the browser still loads the page.
`lessons` asks, `answers` measures, `conclusions` says what came out and `evidence` shows it; `through_time` measures
recurrent networks. `stage` does all that for one browser session, `controls` and `app` are the marimo page, `serve`
starts it, and `guard` answers nobody else. All but `controls` and `app`, and `serve` once it serves, work without
marimo. What is said stands in English where it is said; its Chinese is in `language/chinese_playground`.
"""
