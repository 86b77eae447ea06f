// Opens the app once for each of the cases in the URL, in frames of this page: each is alone, has its own
// instance of the module and the browser's own fetch, and its requests name the case as their
// referrer.

// A few at a time: what waits for a connection would count as slow.
const AT_ONCE = 6;

const cases = new URLSearchParams(location.search).get('cases').split(',');
const options = new URLSearchParams(location.search).get('options') ?? '{}';
const apps = new Map();

async function open(name) {
  const frame = document.createElement('iframe');
  frame.src = `session.html?${new URLSearchParams({ case: name, options, alone: 1 })}`;
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
  document.body.append(frame);
  await loaded;
  apps.set(name, frame.contentWindow.app);
}

// Asked for by the test: a page counts as loaded when its frames are, and there is a limit to that.
window.openAll = async () => {
  while (cases.length > 0) await Promise.all(cases.splice(0, AT_ONCE).map(open));
  window.apps = apps;
};
