// What happened before a test failed, for whoever reads its output. Tokens and cookies are left out.

const REQUESTS = 30;
const LINES = 40;

export function evidence({ proxy, server, pages = [] }) {
  const parts = [];
  if (proxy) parts.push(section('requests', proxy.records.slice(-REQUESTS).map(requestLine)));
  pages.forEach((page, index) => {
    parts.push(section(`console of page ${index + 1}`, page.console.slice(-LINES).map(consoleLine)));
  });
  if (server) parts.push(section('server', server.log.slice(-LINES)));
  return parts.join('\n');
}

function section(title, lines) {
  return [`--- ${title}`, ...(lines.length > 0 ? lines : ['(nothing)'])].join('\n');
}

function requestLine({ t, method, path, query, headers, status, duration, fault, error }) {
  const search = new URLSearchParams(query).toString();
  const notes = [
    headers.authorization && 'with a token',
    fault && `fault ${JSON.stringify(fault)}`,
    error && `error: ${error}`,
  ];
  const took = duration === null ? 'unfinished' : `${duration} ms`;
  const target = search ? `${path}?${search}` : path;
  return [time(t), method, target, status ?? '---', took, ...notes.filter(Boolean)].join('  ');
}

function consoleLine({ t, type, text }) {
  return `${time(t)}  ${type}  ${text}`;
}

function time(t) {
  return new Date(t).toISOString().slice(11, 23);
}
