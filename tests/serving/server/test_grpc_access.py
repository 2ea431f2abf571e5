"""TLS and the token over gRPC."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from serving.server.access import Access, Token
from tests.serving.server.certificates import make_certificate
from tests.serving.server.grpc_hosting import Hosted, hosted

BEARER = (("authorization", "Bearer s3cret"),)


def ask(server: Hosted, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> grpc.StatusCode:
    """Status of a request for a model that is not there."""
    with pytest.raises(grpc.RpcError) as failed:
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(
            get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "x"}), 60, metadata
        )
    code: grpc.StatusCode = failed.value.code()
    return code


def test_requests_without_the_token_are_refused_but_for_probes() -> None:
    with hosted({}, access=Access(token=Token("s3cret"))) as server:
        assert ask(server, server.channel, BEARER) is grpc.StatusCode.NOT_FOUND
        for metadata in ((), (("authorization", "Bearer s3cre"),), (("authorization", "s3cret"),)):
            assert ask(server, server.channel, metadata) is grpc.StatusCode.UNAUTHENTICATED
        assert health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest(), 60).status == 1


def test_connections_have_tls(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path)
    credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
    with hosted({}, access=Access(tls, Token("s3cret"))) as server:
        with grpc.secure_channel(f"127.0.0.1:{server.server.port}", credentials) as channel:
            assert ask(server, channel, BEARER) is grpc.StatusCode.NOT_FOUND
            assert ask(server, channel) is grpc.StatusCode.UNAUTHENTICATED
        assert ask(server, server.channel, BEARER) is grpc.StatusCode.UNAVAILABLE  # without TLS
