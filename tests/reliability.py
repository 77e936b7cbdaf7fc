"""The 22 checks of reliability: what is promised and which tests show it.

`scripts/nightly.py` runs them and writes docs/reliability.md from this and from the figures.
A test is named as pytest names it, without parameters.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One promise.

    Attributes:
        default: tests of every change; nightly: those that `scripts/nightly.py` runs besides.
        measured: scripts whose figures belong to it, with their arguments.
        note: where the promise is limited, and why.
    """

    title: str
    promise: str
    default: tuple[str, ...]
    nightly: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    note: str = ""

    @property
    def tests(self) -> tuple[str, ...]:
        return (*self.default, *self.nightly)


CHECKS = {
    1: Check(
        "Killed while data are prepared",
        "Nothing short or unreadable has a final name; the next run gives the same bytes and "
        "leaves nothing beside them",
        ("tests/data/prepared/test_prepare.py::test_killed_and_repeated_gives_the_same_bytes",),
        ("tests/data/prepared/test_prepare.py::test_killed_at_many_moments",),
        note="nightly: 25 preparations, each killed twice",
    ),
    2: Check(
        "A cut shard",
        "Refused before the first step, with the file, expected and found records",
        ("tests/data/prepared/test_records.py::test_a_cut_shard_is_refused_at_any_byte",),
        ("tests/data/prepared/test_records.py::test_a_shard_cut_at_every_byte",),
    ),
    3: Check(
        "Changed, swapped, lost or repeated records and shards",
        "Refused; no record is left out in silence",
        (
            "tests/data/prepared/test_records.py::test_any_flipped_bit_anywhere_is_refused",
            "tests/data/prepared/test_records.py::test_a_changed_manifest_is_refused",
            "tests/data/prepared/test_records.py::test_changed_structure_is_refused",
        ),
        ("tests/data/prepared/test_records.py::test_a_thousand_mutations",),
    ),
    4: Check(
        "Killed while training",
        "Every variable, optimiser slot and seed ends as in the run that nobody interrupted",
        (
            "tests/training/test_loop.py::test_kill_and_resume_is_bit_exact",
            "tests/training/test_loop.py::test_more_steps_on_resume_are_a_run_of_that_length",
            "tests/training/test_gan_training.py::test_resume_is_bit_exact_in_half_precision",
        ),
        (
            "tests/training/test_loop.py::test_many_kills",
            "tests/studies/test_killed_tables.py::test_a_killed_row_ends_with_the_same_bytes",
        ),
        note="on one machine, with one number of threads and the same versions",
    ),
    5: Check(
        "The place in the data",
        "Restored at any step, the rest of the batches is the same",
        (
            "tests/data/batches/test_pipeline.py::test_restored_at_every_step_the_rest_is_the_same",
            "tests/training/test_gan_data.py::test_batches_depend_on_the_step_only",
        ),
    ),
    6: Check(
        "A fault or a kill while something is saved",
        "The last complete state loads, after a fault at any write, sync, rename or new folder",
        (
            "tests/test_writers.py::test_a_fault_at_any_step",
            "tests/test_files.py::test_a_failure_at_any_step_leaves_old_or_new",
            "tests/test_files.py::test_a_kill_at_any_step_loses_nothing",
        ),
    ),
    7: Check(
        "Flipped bits in what was written",
        "The same contents, or the typed error; never other contents",
        (
            "tests/test_bit_flips.py::test_flipped_bits",
            "tests/training/test_checkpoints.py::test_bit_rot_is_refused",
        ),
        ("tests/test_bit_flips.py::test_five_hundred_flipped_bits",),
    ),
    8: Check(
        "A full disk",
        "Exit code 2, one line with path, needed and free space; nothing half-written, nothing "
        "lost",
        (
            "tests/test_writers.py::test_no_room",
            "tests/test_files.py::test_a_file_that_may_not_grow",
            "tests/test_full_disk.py::test_summaries_end_with_a_whole_event",
            "tests/test_full_disk.py::test_a_command_says_so_and_loses_nothing",
            "tests/test_full_disk.py::test_a_preparation_says_so_and_goes_on",
            "tests/test_full_disk.py::test_a_report_says_so_and_the_last_one_stays",
            "tests/data/video/test_mp4.py::test_a_full_disk_is_told_as_such",
        ),
        ("tests/test_full_disk.py::test_a_training_on_a_small_disk",),
    ),
    9: Check(
        "Hostile annotation files",
        "An annotation error with file and line, or values inside the label space",
        (
            "tests/data/annotations/test_files.py::test_refused_with_file_and_line",
            "tests/data/annotations/test_files.py::test_mutated_files",
            "tests/data/annotations/test_files.py::test_any_bytes",
            "tests/data/annotations/test_mutated_lists.py::test_mutated_lists",
        ),
        (
            "tests/data/annotations/test_files.py::test_mutated_files_at_length",
            "tests/data/annotations/test_mutated_lists.py::test_mutated_lists_at_length",
        ),
    ),
    10: Check(
        "Laws of the label space",
        "Nothing outside of it is read or written; what is not labelled gives a loss and a "
        "gradient of exactly zero",
        (
            "tests/data/annotations/test_files.py::"
            "test_nothing_outside_of_the_label_space_is_written",
            "tests/data/annotations/test_submissions.py::"
            "test_nothing_outside_of_the_label_space_is_written",
            "tests/conformance/test_losses.py::"
            "test_missing_labels_give_exactly_no_loss_and_no_gradient",
            "tests/conformance/test_losses.py::test_a_batch_without_labels_gives_nothing",
        ),
    ),
    11: Check(
        "Broken videos",
        "Decoded, or refused by name with both counts; never short in silence",
        (
            "tests/data/video/test_resample.py::test_what_is_not_a_video_is_refused_by_name",
            "tests/data/video/test_resample.py::test_damage_is_an_error_or_a_wrong_count",
            "tests/data/video/test_resample.py::test_a_header_that_promises_more_frames",
            "tests/data/video/test_media.py::test_large_frames_are_refused_before_they_are_decoded",
        ),
    ),
    12: Check(
        "Variable frame rates",
        "30 frames for each second; each frame is the nearest in time and keeps its label",
        (
            "tests/data/video/test_resample.py::test_constant_rates",
            "tests/data/video/test_resample.py::test_variable_rates",
        ),
    ),
    13: Check(
        "Names that lead elsewhere",
        "No file outside of the folder is opened",
        (
            "tests/curation/test_check.py::test_200_hostile_names_open_nothing_outside",
            "tests/data/annotations/test_lists.py::test_hostile_image_names",
            "tests/data/prepared/test_records.py::test_names_in_the_manifest_stay_inside",
            "tests/test_files.py::test_safe_join_refuses_hostile_names",
        ),
        ("tests/curation/test_check.py::test_mutated_trees_at_length",),
    ),
    14: Check(
        "People in two sets",
        "No person and no video is in two sets",
        (
            "tests/curation/test_partition.py::test_1000_random_graphs_leak_nothing",
            "tests/data/test_tree.py::test_leaks_of_random_partitions",
        ),
    ),
    15: Check(
        "Windows of sequences",
        "None crosses a video or a gap; every frame is used once, or counted as left out",
        (
            "tests/data/batches/test_sequences.py::test_windows",
            "tests/data/batches/test_pipeline.py::test_every_window_once_in_every_epoch",
        ),
    ),
    16: Check(
        "Numbers that are not finite",
        "The run stops at that step and names it; no checkpoint holds one",
        (
            "tests/training/test_loop.py::"
            "test_a_value_that_is_not_finite_stops_the_run_at_its_step",
            "tests/training/test_loop.py::test_a_score_that_is_not_finite_stops_the_run",
            "tests/training/test_gan_training.py::"
            "test_a_value_that_is_not_finite_names_update_and_term",
            "tests/data/batches/test_features.py::test_a_feature_that_is_not_finite_stops",
        ),
    ),
    17: Check(
        "Degenerate numbers",
        "Losses and gradients stay finite; scores are those of their definitions, in any batches",
        (
            "tests/conformance/test_losses.py::test_constant_and_extreme_inputs_stay_finite",
            "tests/losses/test_va.py::test_degenerate_inputs_stay_finite",
            "tests/conformance/test_metrics.py::test_a_score_from_sums_is_that_of_the_frames",
        ),
    ),
    18: Check(
        "Hidden randomness",
        "The same seed gives the same bytes in every process, whatever PYTHONHASHSEED is",
        (
            "tests/test_hash_seeds.py::test_the_same_bytes_whatever_the_hash_seed",
            "tests/test_architecture.py::test_a_file_keeps_the_rules",
            "tests/data/batches/test_determinism.py::"
            "test_the_same_batches_and_the_next_is_read_while_a_step_runs",
        ),
        ("tests/test_hash_seeds.py::test_ten_hash_seeds",),
        note="with one number of threads",
    ),
    19: Check(
        "Hostile model files",
        "Refused with one line; nothing is run, written or unpacked. An accepted graph answers "
        "as it did when it was made",
        (
            "tests/attacks/test_attacks.py::test_an_attack_is_refused",
            "tests/attacks/test_attacks.py::test_the_attacks_work_where_nothing_is_checked",
            "tests/serving/test_scan.py::test_attacks_are_refused_before_anything_is_loaded",
            "tests/serving/test_scan.py::test_forbidden_things_are_found_everywhere",
            "tests/serving/test_scan.py::test_changed_graphs_are_refused_or_answer_the_same",
            "tests/test_archives.py::test_a_bomb_is_not_unpacked",
        ),
        (
            "tests/serving/test_scan.py::test_two_thousand_changed_graphs",
            "tests/serving/test_scan.py::"
            "test_the_allowlist_is_what_all_kinds_in_all_precisions_need",
        ),
    ),
    20: Check(
        "A server under abuse",
        "4xx with a JSON error for every bad request; good clients wait at most twice as long; "
        "memory stays",
        (
            "tests/serving/server/test_hostile.py::test_hostile_request",
            "tests/serving/server/test_hostile.py::test_fuzzed_requests",
            "tests/serving/server/test_abuse.py::test_silent_grpc_calls_lock_nobody_out",
            "tests/serving/server/test_abuse.py::test_who_does_not_read_is_let_go",
            "tests/serving/server/test_abuse.py::"
            "test_admitted_bytes_are_bounded_over_both_protocols",
            "tests/serving/server/test_wire.py::test_countless_fields_are_not_parsed",
            "tests/serving/server/test_garbage.py::"
            "test_what_is_alive_is_set_apart_and_what_was_is_freed",
            "tests/serving/server/test_garbage.py::test_refused_grpc_calls_leave_little_behind",
            "tests/serving/server/test_running.py::"
            "test_it_ends_after_the_grace_whatever_is_computed",
        ),
        measured=("benchmark_server.py --abuse --seconds 2",),
    ),
    21: Check(
        "Exports answer as their networks; artefacts of an earlier commit",
        "The same numbers to 1e-5 in float32; they still load, or one line says what to do",
        (
            "tests/serving/test_export.py::test_parity_with_keras",
            "tests/test_golden_artefacts.py::test_exports",
            "tests/test_golden_artefacts.py::test_a_recognition_run_with_its_encoder",
            "tests/test_golden_artefacts.py::test_a_run_on_single_frames",
            "tests/test_golden_artefacts.py::test_a_gan",
            "tests/test_golden_artefacts.py::test_another_version_says_what_to_do",
        ),
        ("tests/serving/test_export.py::test_parity_of_the_largest_corner",),
    ),
    22: Check(
        "Two processes at once",
        "One waits for the other or is told who writes; nothing is mixed",
        (
            "tests/data/prepared/test_two_processes.py::"
            "test_both_have_the_folder_of_the_cache_and_one_makes_it",
            "tests/test_files.py::test_two_writers_one_folder",
            "tests/serving/test_export.py::"
            "test_of_two_exports_to_one_version_the_second_is_refused",
        ),
        ("tests/test_races.py::test_two_processes_write_the_same_thing",),
    ),
}
