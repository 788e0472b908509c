// The address: #/view?parameters. It has all filters, so that a link can be shared and Back works.

export const DEFAULT_VIEW = "overview";

/** The address's view and parameters. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { view: path || DEFAULT_VIEW, parameters: new URLSearchParams(query) };
}

/** The link to a view. Empty parameters are omitted. */
export function link(view, parameters = {}) {
  const query = new URLSearchParams();
  const pairs = parameters instanceof URLSearchParams ? [...parameters] : Object.entries(parameters);
  for (const [name, values] of pairs) {
    for (const value of Array.isArray(values) ? values : [values]) {
      if (value !== "" && value !== null && value !== undefined) query.append(name, value);
    }
  }
  const text = query.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

/** Go to a view. `replace` overwrites the history entry, for text that is being typed. */
export function go(view, parameters, { replace = false } = {}) {
  const target = link(view, parameters);
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(null, "", target);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}

/** Add what is shown to the address without going anywhere: a parameter that only changes how the view looks. */
export function note(name, value) {
  const { view, parameters } = here();
  if (value) parameters.set(name, value);
  else parameters.delete(name);
  history.replaceState(null, "", link(view, parameters));
}

/** The address of an entry, for others. */
export const permalink = (sequence) => `${location.origin}${location.pathname}${link("entry", { sequence })}`;
