//! A server on actix-web.

use std::net::TcpListener;

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Data, ReqData, get};
use actix_web::{App, HttpMessage, HttpResponse, HttpServer};
use auth0_api::{Error, Policy, RequestContext, VerifiedToken, asynchronous::ApiClient};

/// Runs when awaited.
pub fn server(listener: TcpListener, client: ApiClient) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(Data::new(client.clone()))
            .wrap(from_fn(verify))
            .route("/orders", get().to(orders))
    };
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run())
}

/// A middleware that lets a request pass only with a verified token, and gives it to the handler.
async fn verify(
    client: Data<ApiClient>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let verified = client.verify_request(context(&request)).await;
    match verified {
        Ok(token) => {
            request.extensions_mut().insert(token);
            next.call(request).await
        }
        Err(error) => Ok(request.into_response(to_actix_web(error.response()))),
    }
}

async fn orders(token: ReqData<VerifiedToken>) -> HttpResponse {
    let answer = |token: &VerifiedToken| -> Result<String, Error> {
        token.authorize(&Policy::scope("read:orders"))?;
        Ok(format!(
            "orders of {}",
            token.subject()?.unwrap_or_default()
        ))
    };
    match answer(&token) {
        Ok(orders) => HttpResponse::Ok().body(orders),
        Err(error) => to_actix_web(error.response()),
    }
}

/// actix-web has the types of `http` 0.2. The client's `public_url` and the path are the URL that DPoP
/// proofs must name.
fn context(request: &ServiceRequest) -> RequestContext<'_> {
    let context = RequestContext::new()
        .method(request.method().as_str())
        .path(request.uri().path());
    request
        .headers()
        .iter()
        .fold(context, |context, (name, value)| {
            context.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()))
        })
}

fn to_actix_web(answer: http::Response<String>) -> HttpResponse {
    let (parts, body) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &parts.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(body)
}
