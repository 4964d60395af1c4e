// Which clusters are shown. A filter lives in the address, so that a view can be sent to somebody else.

const SET = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/;

/** A label selector as Kubernetes writes it, as a list of tests; throws where it makes no sense. */
export function selector(text) {
  return split(text).map((part) => {
    const set = SET.exec(part);
    if (set) {
      const values = set[3].split(",").map((value) => value.trim());
      const [, key, operator] = set;
      return (labels) => (operator === "in" ? values.includes(labels[key]) : !values.includes(labels[key]));
    }
    const [, key, operator, value] = /^([^=!\s]+)\s*(?:(==?|!=)\s*(\S*))?$/.exec(part) ?? [];
    if (key) {
      if (!operator) return (labels) => key in labels;
      return (labels) => (operator === "!=" ? labels[key] !== value : labels[key] === value);
    }
    if (/^!\s*[^=!\s]+$/.test(part)) return (labels) => !(part.slice(1).trim() in labels);
    throw new Error(`“${part}” is no selector: key=value, key!=value, key in (a, b), key, !key`);
  });
}

/** Does a row have this text in its name, a label, its reason or its revisions? */
export function contains(row, text) {
  const wanted = text.toLowerCase();
  const labels = Object.entries(row.labels).map(([key, value]) => `${key}=${value}`);
  return [row.name, row.reason, ...labels, ...row.revisions].some((one) => one.toLowerCase().includes(wanted));
}

function split(text) {
  const parts = [];
  let depth = 0;
  let part = "";
  for (const letter of text) {
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (letter === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else {
      part += letter;
    }
  }
  return [...parts, part].map((one) => one.trim()).filter(Boolean);
}
