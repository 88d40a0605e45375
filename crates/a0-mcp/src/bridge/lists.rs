//! Lists that show what the caller may use.

use rmcp::model::{
    CacheScope, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult,
};

use super::caller::Caller;
use crate::layer::McpAuth;

/// Each of these leaves what the policies of the layer let the caller use, and sets `cacheScope` to `private`: such
/// a list is about one caller, and must not be served to another one. Call them in the list handlers of a server.
impl McpAuth {
    /// Leaves the tools that the caller may call.
    ///
    /// ```
    /// use a0_mcp::{Caller, McpAuth};
    /// use rmcp::model::{ListToolsResult, Tool};
    /// use rmcp::service::RequestContext;
    /// use rmcp::{ErrorData, RoleServer};
    ///
    /// fn list(
    ///     auth: &McpAuth,
    ///     context: &RequestContext<RoleServer>,
    ///     all: Vec<Tool>,
    /// ) -> Result<ListToolsResult, ErrorData> {
    ///     let caller = Caller::of(context)?;
    ///     Ok(auth.visible_tools(&caller, ListToolsResult::with_all_items(all)))
    /// }
    /// ```
    pub fn visible_tools(&self, caller: &Caller, mut list: ListToolsResult) -> ListToolsResult {
        let operations = &self.checks().operations;
        list.tools.retain(|tool| {
            let policy = operations.tool_policy(&tool.name);
            caller.authorize(&policy).is_ok()
        });
        list.with_cache_scope(CacheScope::Private)
    }

    /// Leaves the resources if the caller may read them: all of them, or none.
    pub fn visible_resources(
        &self,
        caller: &Caller,
        mut list: ListResourcesResult,
    ) -> ListResourcesResult {
        list.resources
            .retain(|_| self.may(caller, "resources/read"));
        list.with_cache_scope(CacheScope::Private)
    }

    /// As [`visible_resources`](Self::visible_resources).
    pub fn visible_resource_templates(
        &self,
        caller: &Caller,
        mut list: ListResourceTemplatesResult,
    ) -> ListResourceTemplatesResult {
        let may_read = self.may(caller, "resources/read");
        list.resource_templates.retain(|_| may_read);
        list.with_cache_scope(CacheScope::Private)
    }

    /// Leaves the prompts if the caller may get them: all of them, or none.
    pub fn visible_prompts(
        &self,
        caller: &Caller,
        mut list: ListPromptsResult,
    ) -> ListPromptsResult {
        let may_get = self.may(caller, "prompts/get");
        list.prompts.retain(|_| may_get);
        list.with_cache_scope(CacheScope::Private)
    }

    fn may(&self, caller: &Caller, method: &str) -> bool {
        let policy = self.checks().operations.method_policy(method);
        caller.authorize(&policy).is_ok()
    }
}
