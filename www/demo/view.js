// Which parts of the page are shown, and what it says about itself.

import { byId, setText } from './dom.js';

const TITLES = {
  loading: 'loading-title',
  failed: 'failed-title',
  signedin: 'token-title',
  signedout: 'hero-title',
  ended: 'ended-title',
};

let current = 'loading';

export const currentView = () => current;

// "loading", "failed", "signedin", "signedout", or "ended": signed out of a session that this page has seen.
export function show(view) {
  if (view === current) return;
  const first = current === 'loading';
  current = view;
  document.body.dataset.view = view;
  for (const part of document.querySelectorAll('[data-view]')) {
    if (part !== document.body) part.hidden = !part.dataset.view.split(' ').includes(view);
  }
  // Whoever was at something that is gone now goes on at the top of what came instead.
  const active = document.activeElement;
  const lost = !active || active === document.body || active.closest('[hidden]') !== null;
  if (lost && !first) {
    byId(TITLES[view]).focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }
}

// For those who listen to the page: only what changes its state or answers their click.
export function announce(text) {
  byId('announcement').replaceChildren(text); // anew, so that the same words are said again
}

// `look` is "bad", "good" or "plain"; without a text it disappears.
export function banner(text, look = 'plain') {
  const node = byId('banner');
  node.hidden = !text;
  node.dataset.look = look;
  setText(byId('banner-text'), text ?? '');
}

export function say(id, text) {
  setText(byId(id), text ?? '');
  byId(id).hidden = !text;
}
