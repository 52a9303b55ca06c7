"""The playground: a page in the browser that trains, predicts and draws whenever a slider moves.

`settings` is what the controls say, `measuring` trains and predicts it, `pictures` draws, `lessons` asks, `words` holds
every sentence in every language, `page` makes HTML of it, `stage` does all that for one browser session, `controls` and
`app` are the marimo page, and `serve` starts it. All but those two work without marimo.
"""
