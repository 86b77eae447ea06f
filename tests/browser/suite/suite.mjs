// The one suite that every engine has to pass. What an engine can't do is skipped by name, with the
// reason; the names end up in the table of the test summary.
//
// A behaviour is { name, needs, timeout, server, body(world) }: `needs` are the methods of a page that it
// cannot do without, see `lacks` of the drivers.

import { lacking } from '../engine.mjs';
import { scenario } from '../scenario.mjs';
import { lifecycle } from './lifecycle.mjs';
import { policy } from './policy.mjs';
import { request } from './request.mjs';
import { session } from './session.mjs';
import { tabs } from './tabs.mjs';
import { quick } from './token.mjs';
import { wake } from './wake.mjs';

// Each part is a test file of an engine's: most of the time is waiting, and files run side by side.
const PARTS = {
  session: [...session, ...wake, ...request, ...policy],
  page: [...tabs, ...lifecycle],
};

export function suite(engine, part) {
  for (const { name, needs = [], body, server = quick, timeout } of PARTS[part]) {
    const options = { engine, shared: true, server, timeout, skip: lacking(engine, needs) };
    scenario(`${engine}: ${name}`, options, body);
  }
}
