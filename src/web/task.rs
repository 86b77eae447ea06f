//! A task of its own: what is said in it comes after everything that was posted to the page before, and is set
//! by no timer.

use wasm_bindgen::prelude::*;
use web_sys::MessageChannel;

/// Does it in the next task; at once where there are no channels to make one with.
pub(super) fn run(work: Box<dyn FnOnce()>) {
    let Ok(channel) = MessageChannel::new() else { return work() };
    let (here, there) = (channel.port1(), channel.port2());
    let port = here.clone();
    let task = Closure::once_into_js(move || {
        // An open port is kept for ever.
        port.close();
        work();
    });
    here.set_onmessage(Some(task.unchecked_ref()));
    // It fails for what can't be copied, which this can.
    let _ = there.post_message(&JsValue::NULL);
}
