// Starts the worker, and asks it: `ask({ call: 'fetch', path: '/api/me' })` resolves with its answer.

const worker = new Worker('worker.js', { type: 'module' });
const asked = [];

worker.addEventListener('message', ({ data }) => asked.shift()(data));
worker.addEventListener('error', ({ message }) => (window.failed = message));

window.ask = (question) =>
  new Promise((resolve) => {
    asked.push(resolve);
    worker.postMessage(question);
  });
