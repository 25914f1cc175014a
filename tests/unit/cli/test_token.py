"""`funswarm token new`."""

from funswarm.tokens import Role, find, read_tokens


def test_a_new_token_is_told_and_its_line_too(cli):
    made = cli.run("token", "new", "--name", "ci", "--role", "operate", "--namespace", "shop")
    token = find(read_tokens(made.stderr), made.stdout.strip())
    assert token is not None
    assert ("ci", Role.OPERATE, ("shop",)) == (token.name, token.role, token.namespaces)


def test_a_new_token_reads_only_where_nothing_is_said(cli):
    assert Role.READ is read_tokens(cli.run("token", "new", "--name", "me").stderr)[0].role


def test_a_name_that_cannot_be_one_is_refused(cli):
    made = cli.run("token", "new", "--name", "c i")
    assert (2, "") == (made.exit_code, made.stdout)
    assert "name" in made.stderr


def test_a_ca_that_is_none_is_said(cli, tmp_path):
    made = cli.run("health", env={"FUNSWARM_NATS_TLS_CA": str(tmp_path / "ca.pem")})
    assert 2 == made.exit_code
    assert "ca.pem cannot be used" in made.stderr
