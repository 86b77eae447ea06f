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

const BEHAVIOURS = [...session, ...wake, ...request, ...tabs, ...lifecycle, ...policy];

export function suite(engine) {
  for (const { name, needs = [], body, server = quick, timeout } of BEHAVIOURS) {
    const options = { engine, shared: true, server, timeout, skip: lacking(engine, needs) };
    scenario(`${engine}: ${name}`, options, body);
  }
}
