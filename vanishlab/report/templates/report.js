// The page's own wiring: the slider sets the charts' one parameter, Play moves the slider, headers sort their table,
// and what is folded opens when it is linked to or printed.
for (const player of document.querySelectorAll(".player")) {
  const steps = JSON.parse(player.dataset.steps);
  const slider = player.querySelector("input"), output = player.querySelector("output");
  const button = player.querySelector("button"), views = [];
  for (const figure of player.querySelectorAll("figure")) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: true };
    vegaEmbed(figure.querySelector(".chart"), spec, options).then((made) => {
      figure.querySelector("svg").setAttribute("aria-hidden", "true"); // its words are the label of what it stands in
      views.push(made.view);
      show();
    });
  }
  const show = () => {
    output.value = steps[slider.value];
    slider.setAttribute("aria-valuetext", player.dataset.step.replace("#", output.value));
    for (const view of views) view.signal("frame", Number(slider.value)).runAsync();
  };
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = `▶ ${player.dataset.play}`;
  };
  const advance = () => {
    slider.value = Number(slider.value) + 1;
    show();
    if (slider.value === slider.max) stop();
  };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) slider.value = 0;
    show();
    button.textContent = `❚❚ ${player.dataset.pause}`;
    timer = setInterval(advance, Math.max(60, Math.min(500, 8000 / steps.length)));
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  headers.forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of headers) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numbers = body.rows.length > 0 && body.rows[0].cells[column].classList.contains("number");
    const key = (row) => {
      const text = row.cells[column].dataset.key;
      return numbers ? Number(text.replace("inf", "Infinity")) : text;
    };
    const compare = (a, b) => numbers ? a - b || 0 : a.localeCompare(b, undefined, { numeric: true });
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
    body.append(...rows.map((each) => each[1]));
  }));
}

const folds = [...document.querySelectorAll("details.fold")];
// A chart that was made in a folded part has no width yet; Vega looks again when the window changes.
for (const fold of folds) fold.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")));
const reveal = () => {
  const fold = document.getElementById(location.hash.slice(1));
  if (!fold || !folds.includes(fold)) return;
  fold.open = true;
  fold.scrollIntoView();
};
window.addEventListener("hashchange", reveal);
for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => setTimeout(reveal));
reveal();
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = folds.filter((fold) => !fold.open);
  for (const fold of folded) fold.open = true;
});
window.addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; });
