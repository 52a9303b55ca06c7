"""The playground: a page in the browser that trains, predicts and draws whenever a slider moves.

`settings` is what the page's controls say, `measuring` trains and predicts it, `pictures` draws, `lessons` asks, `words`
holds every sentence in every language, `page` puts them together as HTML, `app` is the marimo page that calls them, and
`serve` starts it. All but `app` work without marimo.
"""
