// Writes settings into the address without a step of the history: those of closed tabs, which
// Streamlit takes out of it at the end of a run, which nothing tells to this script; and those whose
// values are given here alone (null: none).

let timer;

function complete({ settings, replaced }) {
  const search = new URLSearchParams(location.search);
  const wrong = Object.entries(replaced).filter(([name, value]) => search.get(name) !== value);
  for (const [name, value] of wrong) value === null ? search.delete(name) : search.set(name, value);
  const missing = Object.entries(settings).filter(([name]) => !search.has(name));
  for (const [name, values] of missing) for (const value of values) search.append(name, value);
  if (wrong.length || missing.length)
    history.replaceState(history.state, "", `?${search}${location.hash}`);
}

export default function ({ data }) {
  clearInterval(timer);
  complete(data);
  timer = setInterval(() => complete(data), 200);
}
