// Puts back into the address what Streamlit takes out of it when the tab with a setting is closed,
// so that a reload finds it. It does so at the end of a run, which nothing tells to this script.

let timer;

function complete(settings) {
  const search = new URLSearchParams(location.search);
  const missing = Object.entries(settings).filter(([name]) => !search.has(name));
  for (const [name, values] of missing) for (const value of values) search.append(name, value);
  if (missing.length) history.replaceState(history.state, "", `?${search}${location.hash}`);
}

export default function ({ data }) {
  clearInterval(timer);
  if (Object.keys(data.settings).length) timer = setInterval(() => complete(data.settings), 200);
}
