"""The gradient boosters that a spec may name: where each stands, what it predicts, and the arguments that it takes.

They go by package and class, as in `xgboost.XGBClassifier`, and take the arguments of their scikit-learn interface under the
first of several names that they have for one thing; `early_stopping_rounds` is called so in all of them. Left out: what reads
or writes files, what is set up for several machines, callbacks, and the level of their output. Nothing is imported here; a
test holds the tables against the installed packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EARLY_STOPPING = "early_stopping_rounds"
"""The argument that stops the training when the validation rows have not become better for so many rounds."""


@dataclass(frozen=True)
class BoosterName:
    """A class of a package of gradient boosters, and the arguments that a spec may give it.

    `package` is what is imported, and the extra that brings it; its version must be at least `lowest` and below `below`.
    `predicts` says what a target is. `stops_early` is false for what trains a forest in one round.
    """

    package: str
    class_name: str
    predicts: Literal["classes", "values"]
    arguments: frozenset[str]
    lowest: str
    below: str
    stops_early: bool = True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_XGBOOST = _words(
    "objective base_score booster colsample_bylevel colsample_bynode colsample_bytree device early_stopping_rounds"
    " enable_categorical eval_metric feature_types feature_weights gamma grow_policy importance_type"
    " interaction_constraints learning_rate max_bin max_cat_threshold max_cat_to_onehot max_delta_step max_depth max_leaves"
    " min_child_weight missing monotone_constraints n_estimators n_jobs num_parallel_tree random_state"
    " reg_alpha reg_lambda sampling_method scale_pos_weight subsample tree_method"
)
_LIGHTGBM = _words(
    "boosting_type num_leaves max_depth learning_rate n_estimators subsample_for_bin objective class_weight min_split_gain"
    " min_child_weight min_child_samples subsample subsample_freq colsample_bytree reg_alpha reg_lambda random_state n_jobs"
    " importance_type alpha bagging_seed bin_construct_sample_cnt boost_from_average cat_l2 cat_smooth cegb_penalty_split"
    " cegb_tradeoff data_random_seed data_sample_strategy deterministic device_type drop_rate drop_seed"
    " early_stopping_min_delta early_stopping_rounds enable_bundle extra_seed extra_trees fair_c feature_contri"
    " feature_fraction_bynode feature_fraction_seed first_metric_only force_col_wise force_row_wise histogram_pool_size"
    " interaction_constraints is_unbalance lambda_l1 lambda_l2 linear_lambda linear_tree max_bin max_bin_by_feature"
    " max_cat_threshold max_cat_to_onehot max_delta_step max_drop metric min_data_in_bin min_data_in_leaf min_data_per_group"
    " monotone_constraints monotone_constraints_method monotone_penalty neg_bagging_fraction num_grad_quant_bins"
    " objective_seed other_rate path_smooth poisson_max_delta_step pos_bagging_fraction quant_train_renew_leaf reg_sqrt"
    " scale_pos_weight sigmoid skip_drop top_rate tweedie_variance_power uniform_drop use_missing use_quantized_grad"
    " xgboost_dart_mode zero_as_missing"
)
_CATBOOST = _words(
    "iterations learning_rate depth l2_leaf_reg model_size_reg rsm loss_function border_count feature_border_type"
    " per_float_feature_quantization fold_permutation_block od_pval od_wait od_type nan_mode counter_calc_method"
    " leaf_estimation_iterations leaf_estimation_method thread_count random_seed use_best_model best_model_min_trees"
    " ctr_leaf_count_limit store_all_simple_ctr max_ctr_complexity has_time one_hot_max_size random_strength"
    " random_score_type ignored_features eval_metric bagging_temperature fold_len_multiplier final_ctr_computation_mode"
    " approx_on_full_history boosting_type simple_ctr combinations_ctr per_feature_ctr ctr_target_border_count task_type"
    " devices bootstrap_type subsample mvs_reg sampling_unit sampling_frequency sparse_features_conflict_fraction max_depth"
    " n_estimators colsample_bylevel random_state reg_lambda objective eta max_bin early_stopping_rounds cat_features"
    " grow_policy min_data_in_leaf min_child_samples max_leaves num_leaves score_function leaf_estimation_backtracking"
    " monotone_constraints feature_weights penalties_coefficient first_feature_use_penalties per_object_feature_penalties"
    " model_shrink_rate model_shrink_mode langevin diffusion_temperature posterior_sampling boost_from_average"
    " text_features tokenizers dictionaries feature_calcers text_processing"
)
_OF_CLASSES = _words("auto_class_weights class_weights scale_pos_weight")


def _xgboost(class_name: str, predicts: Literal["classes", "values"], *, stops_early: bool = True) -> BoosterName:
    arguments = _XGBOOST if stops_early else _XGBOOST - {EARLY_STOPPING}
    return BoosterName("xgboost", class_name, predicts, arguments, "2.1", "4", stops_early)


BOOSTERS: Mapping[str, BoosterName] = {
    f"{entry.package}.{entry.class_name}": entry
    for entry in (
        _xgboost("XGBClassifier", "classes"),
        _xgboost("XGBRegressor", "values"),
        _xgboost("XGBRFClassifier", "classes", stops_early=False),
        _xgboost("XGBRFRegressor", "values", stops_early=False),
        BoosterName("lightgbm", "LGBMClassifier", "classes", _LIGHTGBM, "4.0", "5"),
        BoosterName("lightgbm", "LGBMRegressor", "values", _LIGHTGBM, "4.0", "5"),
        BoosterName("catboost", "CatBoostClassifier", "classes", _CATBOOST | _OF_CLASSES, "1.2.7", "2"),
        BoosterName("catboost", "CatBoostRegressor", "values", _CATBOOST, "1.2.7", "2"),
    )
}
"""The boosters by name."""
