//! The life of the page: shown, hidden, woken, and whether its user is there.

use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use web_sys::{Event as DomEvent, EventTarget};

use crate::event::Event;
use crate::web::Shell;

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    #[wasm_bindgen(extends = EventTarget)]
    type Document;

    #[wasm_bindgen(method, getter)]
    fn hidden(this: &Document) -> bool;
}

/// What the document tells.
const OF_DOCUMENT: [&str; 3] = ["visibilitychange", "freeze", "resume"];

/// What the global scope tells; in a worker `online` is all there is. There is no `unload` among
/// them, nor `beforeunload`: either keeps a page out of the back/forward cache.
const OF_SCOPE: [&str; 4] = ["pagehide", "pageshow", "focus", "online"];

/// What shows that the user is there. Neither fires while scrolling, and no browser waits for a
/// listener of either before it scrolls, as it does for touch and wheel events.
const OF_USER: [&str; 2] = ["pointerdown", "keydown"];

/// The listeners of one session; they are removed when it is dropped.
pub(super) struct Listeners {
    scope: EventTarget,
    /// None in a worker.
    document: Option<Document>,
    listener: Closure<dyn FnMut(DomEvent)>,
}

impl Listeners {
    pub(super) fn attach(shell: &Rc<Shell>) -> Self {
        let scope: EventTarget = js_sys::global().unchecked_into();
        let document: Option<Document> = Reflect::get(&scope, &"document".into())
            .ok()
            .filter(JsValue::is_object)
            .map(JsCast::unchecked_into);
        let weak = Rc::downgrade(shell);
        let page = document.clone();
        let listener = Closure::new(move |event: DomEvent| {
            let Some(shell) = weak.upgrade() else { return };
            let hidden = page.as_ref().is_some_and(Document::hidden);
            let kind = event.type_();
            let event = match kind.as_str() {
                "visibilitychange" if hidden => Event::Hidden,
                "visibilitychange" => Event::Shown,
                // What a script makes up is no user's.
                "pointerdown" | "keydown" if !event.is_trusted() => return,
                "pointerdown" | "keydown" => Event::UserActive,
                "freeze" => Event::Frozen,
                "pagehide" => Event::PutAway,
                "pageshow" if persisted(&event) => Event::Restored,
                _ => Event::Woken,
            };
            // The locks go with the verb, the channel goes last and comes first.
            let away = kind == "pagehide";
            if matches!(event, Event::Restored) {
                shell.put_away(false);
            }
            // Set anew, now that the page is hidden or seen, and outside any timer.
            shell.timer.clear();
            let still = matches!(event, Event::Frozen | Event::PutAway);
            shell.drive(|session, now| session.handle(event, now));
            if still {
                shell.echo.take();
            }
            if away {
                shell.put_away(true);
            }
        });
        let listeners = Self { scope, document, listener };
        listeners.each(|target, kind, listener, capture| {
            // Every browser takes these arguments.
            let _ = target.add_event_listener_with_callback_and_bool(kind, listener, capture);
        });
        listeners
    }

    /// Never in a worker, which has no page of its own.
    pub(super) fn page_is_hidden(&self) -> bool {
        self.document.as_ref().is_some_and(Document::hidden)
    }

    fn each(&self, mut visit: impl FnMut(&EventTarget, &str, &js_sys::Function, bool)) {
        let listener = self.listener.as_ref().unchecked_ref();
        for kind in OF_SCOPE {
            // Not capturing: the focus of every button would come by here.
            visit(&self.scope, kind, listener, false);
        }
        if let Some(document) = &self.document {
            for kind in OF_DOCUMENT.into_iter().chain(OF_USER) {
                // Capturing: what an application stops on its way is user activity all the same.
                visit(document, kind, listener, true);
            }
        }
    }
}

/// Whether a `pageshow` brings a page back from the back/forward cache.
fn persisted(event: &DomEvent) -> bool {
    Reflect::get(event, &"persisted".into()).is_ok_and(|persisted| persisted.is_truthy())
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.each(|target, kind, listener, capture| {
            let _ = target.remove_event_listener_with_callback_and_bool(kind, listener, capture);
        });
    }
}
