// Loads the WebAssembly module, once for all sessions of a page, and stands guard over it.
//
// A trap (a defect: a panic, memory out of bounds) leaves a module in a state that must not be
// used again, and with it every promise that waits for it. So every function that the module
// exports, the callbacks that the browser calls included, is wrapped: an exception that comes out
// of one has stopped the module for good, and everybody who waits is told.

import { SessionError } from './errors.js';
import * as glue from './wasm/fiftyten_bg.js';

let loading;

// The module: its `Core` class, and how to learn of its death. A load that fails is forgotten: the
// next call tries again.
export function load(source, fetch) {
  loading ??= instantiate(source, fetch).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function instantiate(source, fetch) {
  const { instance } = await compile(source, fetch, { './fiftyten_bg.js': glue });
  const mourners = new Set();
  let dead;
  // Nothing happens in a dead module: a timer or an event that still calls in gets an answer that
  // the glue can read, and nothing else.
  const guard = (call) => (...args) => {
    if (dead) return [];
    try {
      return call(...args);
    } catch (cause) {
      // A trap below has come out here already, as its consequence.
      dead ??= new SessionError('crashed', { cause });
      for (const tell of mourners) tell(dead);
      mourners.clear();
      throw dead;
    }
  };
  const guarded = {};
  for (const [name, value] of Object.entries(instance.exports)) {
    guarded[name] = typeof value === 'function' ? guard(value) : value;
  }
  glue.__wbg_set_wasm(guarded);
  guarded.__wbindgen_start();
  return {
    Core: glue.Core,
    // Tells of the module's death; returns what ends that. Throws if it is dead already: the glue
    // can't be given another.
    watch(tell) {
      if (dead) throw dead;
      mourners.add(tell);
      return () => mourners.delete(tell);
    },
  };
}

async function compile(source, fetch, imports) {
  if (!globalThis.WebAssembly) {
    throw new SessionError('unsupported_environment', {
      about: 'this browser has no WebAssembly, or has it switched off (Lockdown Mode does so)',
    });
  }
  let given;
  try {
    given = (await source) ?? new URL('./wasm/fiftyten_bg.wasm', import.meta.url);
    if (given instanceof WebAssembly.Module) return { instance: await WebAssembly.instantiate(given, imports) };
    let bytes = given;
    if (!(given instanceof ArrayBuffer || ArrayBuffer.isView(given))) {
      const response = given instanceof Response ? given : await fetch(given, { credentials: 'same-origin' });
      if (!response.ok) throw unavailable(`${response.url} answered ${response.status}`);
      bytes = await response.arrayBuffer();
    }
    return await WebAssembly.instantiate(bytes, imports);
  } catch (cause) {
    if (cause instanceof SessionError) throw cause;
    // Every browser words it in its own way, but each names the policy.
    if (/content security policy|\bcsp\b|unsafe-eval/i.test(cause?.message)) throw new SessionError('wasm_blocked', { cause });
    const where = given instanceof Response ? given.url : given;
    const what =
      cause instanceof WebAssembly.CompileError
        ? 'is not WebAssembly'
        : cause instanceof WebAssembly.LinkError
          ? 'is not of this version of the package'
          : 'could not be loaded';
    throw unavailable(`${typeof where === 'string' || where instanceof URL ? where : 'what was given'} ${what}`, cause);
  }
}

const unavailable = (what, cause) => new SessionError('wasm_unavailable', { about: `: ${what}`, cause });
