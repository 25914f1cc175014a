"""Many pages of metrics as one that Prometheus takes."""

from prometheus_client.parser import text_string_to_metric_families

from funswarm.metrics import labelled, merge

A = '# HELP up Whether\n# TYPE up gauge\nup{part="a"} 1\n# HELP n_total Count\n# TYPE n_total counter\nn_total 3\n'
HISTOGRAM = '# TYPE s histogram\ns_bucket{le="1"} 1\ns_bucket{le="+Inf"} 2\ns_sum 3\ns_count 2\n'


def test_a_family_is_described_once_and_stands_together():
    merged = merge([A, A.replace('"a"', '"b"')]).splitlines()

    assert ['up{part="a"} 1', 'up{part="b"} 1'] == merged[2:4]
    assert 1 == merged.count("# TYPE up gauge")


def test_of_the_same_series_the_first_is_kept():
    assert ["n_total 3"] == [line for line in merge([A, A.replace("3", "4")]).splitlines() if line.startswith("n_")]


def test_the_parts_of_a_histogram_stay_together():
    merged = merge([labelled(HISTOGRAM, "1"), A, labelled(HISTOGRAM, "2")])

    (family,) = [family for family in text_string_to_metric_families(merged) if family.name == "s"]
    assert 8 == len(family.samples)


def test_what_is_merged_can_be_parsed_with_all_series():
    merged = merge([labelled(A, "host-1"), labelled(A, "host-2"), "# the other parts: away\n"])

    series = [sample.labels for family in text_string_to_metric_families(merged) for sample in family.samples]
    assert {"part": "a", "instance": "host-2"} in series
    assert 4 == len(series)


def test_an_instance_is_escaped():
    (family,) = text_string_to_metric_families(labelled("n 3\n", 'a"b\\c'))

    assert {"instance": 'a"b\\c'} == family.samples[0].labels


def test_a_page_may_be_empty():
    assert "" == merge(["", "\n"])
